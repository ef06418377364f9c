

{#- a comment
   over two lines -#}
{{ config(materialized='view') }}
select
    «id»id,
    «customer»customer_id as customer,
    «amount»{{ units('amount_cents') }} as amount,
    «paid»{{ shared.flag("status", 'paid') }} as paid, «day»cast(ordered_at as date) as day
from {{ source('raw', 'orders') }}

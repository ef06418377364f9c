
{{ config(materialized='view') }}

select
    id as order_id,
    customer_id,
    ordered_at,
    {{ to_units('amount_cents') }} as amount
from {{ source('raw', 'orders') }}
where status <> 'cancelled'

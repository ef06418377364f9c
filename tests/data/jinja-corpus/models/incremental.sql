{{ config(materialized='incremental', unique_key='id') }}
select
    «id»id,
    {% if is_incremental() %}
    «amount»amount + (select count(*) from {{ this }}) as amount
    {% else %}
    amount
    {% endif %}
from {{ ref('stg') }}
{% if is_incremental() -%}
where id >= (select coalesce(max(id), 0) from {{ this }})
{%- endif %}

{% set windows = [7, 30] %}
with orders as (
    select * from {{ ref('stg_orders') }}
),

windowed as (
    select
        order_id,
        customer_id,
        ordered_at,
        {% for days in windows %}
        sum(amount) over (
            partition by customer_id order by ordered_at
            range between interval {{ days }} days preceding and interval 1 second preceding
        ) as spent_{{ days }}d,
        {% endfor %}
        amount
    from orders
)

select
    windowed.*,
    countries.country
from windowed
left join {{ ref('countries') }} as countries
    on windowed.customer_id = countries.customer_id and countries.valid_from <= windowed.ordered_at

{% set found = run_query("select distinct customer_id from raw.orders order by 1") %}
select
    «day»day,
    {% for row in (found.rows if execute else []) %}
    «~c_1,c_2,c_3»sum(case when customer = {{ row[0] }} then amount end) as c_{{ row[0] }},
    {% endfor %}
    «last»max(id) as last
from {{ ref('stg') }}
group by 1

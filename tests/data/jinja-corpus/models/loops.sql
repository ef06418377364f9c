{% set kinds = ['0', '1'] -%}
{%- set totals = {'a': 'sum', 'b': 'max'} %}
select
    «customer»customer,
    {%- for kind in kinds %}
    «n_0,n_1»count(case when paid = {{ kind }} then 1 end) as n_{{ kind }},
    {%- endfor %}
    {% for name, how in totals.items() -%}
    «a,b»{{ how }}(amount) as {{ name }}{{ "," if not loop.last }}
    {% endfor %}
from {{ ref('stg') }}
group by 1

with base as (
    select * from {{ ref('stg') }}
)
select «id»{{ named('id', none) }}, «named»{{ named('amount + 1', 'named') }},
{%- for c in listed() %}
       «amount,day»{{ c }}{% if not loop.last %},{% endif %}
{%- endfor %}
from base

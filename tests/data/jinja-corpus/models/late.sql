{% set made %}
    lower(status)
{% endset %}
select
  «wrapped»{% call wrapped() %}amount_cents{% endcall %} as wrapped,
  «twice»{{ on_the_same_line('amount_cents') }} as twice,
  «lowered»{{ made | trim }} as lowered,
  «loud»{{ loud('status') | trim }} as loud,
  {% if var('cents') == 100 -%}
  «chosen»id as chosen
  {%- else -%}
  customer_id as chosen
  {%- endif %}
from {{ source('raw', 'orders') }}

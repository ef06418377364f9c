{% macro flag(column, value) %}{{ return(adapter.dispatch('flag', 'shared')(column, value)) }}{% endmacro %}

{% macro default__flag(column, value) %}
  «stg.paid»case when {{ column }} = '{{ value }}' then 1 else 0 end
{% endmacro %}

{# every column but some #}
{% macro star_of(relation, leave_out=[]) -%}
  {%- for column in adapter.get_columns_in_relation(relation) if column.name not in leave_out %}
    {{- ", " if not loop.first }}«star.id,star.customer,star.amount,star.day»{{ column.name }}
  {%- endfor -%}
{%- endmacro %}

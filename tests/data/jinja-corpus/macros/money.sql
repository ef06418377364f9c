-- Geld — Ünïcode vor dem Makro
{% macro units(column, digits=2) %}

    /* ½ € */ «stg.amount,wide.amount»round(
        {{ per(column) }},
        {{ digits }}
    )
{% endmacro %}

  {% macro per(column) -%}
  «inner_first.rate»{{ column }} / {{ var('cents', 1) }}
{%- endmacro %} {% macro on_the_same_line(c) %}«late.twice»2 * {{ c }}{% endmacro %}

{% macro named(expression, name) -%}
{%- if name is none -%}
«columns.id»{{ expression }}
{%- else -%}
«columns.named»({{ expression }}) as {{ name }}
{%- endif -%}
{%- endmacro %}
{% macro wrapped() -%}
«late.wrapped»coalesce(
  {{ caller() }}, 0)
{%- endmacro %}
{% macro listed() %}{% do return(['amount', 'day']) %}{% endmacro %}
{% macro loud(c) %}
    «late.loud»upper({{ c }})
{% endmacro %}
{% macro where_clause() %}
where 1 = 1
  and amount > 0
{% endmacro %}
{% macro latest(relation, key) %}
select * from (
    select «deep.id»id, «deep.amount»amount * 2 as amount, «deep.place»row_number() over (partition by {{ key }} order by day) as place
    from {{ relation }}
) where place = 1
{% endmacro %}

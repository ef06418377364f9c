{% macro to_units(column) %}
    round(
        {{ column }} / {{ per_unit() }},
        2
    )
{% endmacro %}

{% macro per_unit() -%}
    {{ var('cents_per_unit') }}
{%- endmacro %}

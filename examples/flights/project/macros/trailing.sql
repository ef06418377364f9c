{# Running totals per key and instant. Integer counts and sums only, so that the result does not depend on the order of rows. #}
{% macro running_totals(relation, keys, known_at) %}
    select
        {{ keys | join(', ') }},
        {{ known_at }} as known_at,
        sum(count(*)) over (
            partition by {{ keys | join(', ') }} order by {{ known_at }}
            rows between unbounded preceding and current row
        ) as flights,
        sum(count(*) filter (where is_late)) over (
            partition by {{ keys | join(', ') }} order by {{ known_at }}
            rows between unbounded preceding and current row
        ) as late_flights
    from {{ relation }}
    where {{ known_at }} is not null and is_late is not null
    group by {{ keys | join(', ') }}, {{ known_at }}
{% endmacro %}

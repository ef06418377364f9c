select id, double, «own»id + 1 as own from {{ ref('eph') }}

-- The same share for a route, over the trailing window before the prediction is made.
{% set days = var('window_days') %}
with totals as (
    {{ running_totals(ref('stg_flights'), ['origin', 'destination'], 'arrived_at') }}
),

requests as (
    select distinct origin, destination, reference_time from {{ ref('stg_flights') }}
),

until_now as (
    select requests.origin, requests.destination, requests.reference_time, totals.flights, totals.late_flights
    from requests
    asof left join totals
        on requests.origin = totals.origin and requests.destination = totals.destination
        and requests.reference_time > totals.known_at
),

window_start as (
    select requests.origin, requests.destination, requests.reference_time, totals.flights, totals.late_flights
    from requests
    asof left join totals
        on requests.origin = totals.origin and requests.destination = totals.destination
        and requests.reference_time - interval {{ days }} day > totals.known_at
)

select
    until_now.origin,
    until_now.destination,
    until_now.reference_time,
    coalesce(until_now.flights, 0) - coalesce(window_start.flights, 0) as route_flights_7d,
    coalesce(until_now.late_flights, 0) - coalesce(window_start.late_flights, 0) as route_late_flights_7d
from until_now
join window_start
    on until_now.origin = window_start.origin and until_now.destination = window_start.destination
    and until_now.reference_time = window_start.reference_time

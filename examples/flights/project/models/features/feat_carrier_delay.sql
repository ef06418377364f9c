-- Share of a carrier's flights that arrived late, over the trailing window before the prediction is made.
{% set days = var('window_days') %}
with totals as (
    {{ running_totals(ref('stg_flights'), ['carrier'], 'arrived_at') }}
),

requests as (
    select distinct carrier, reference_time from {{ ref('stg_flights') }}
),

until_now as (
    select requests.carrier, requests.reference_time, totals.flights, totals.late_flights
    from requests
    asof left join totals on requests.carrier = totals.carrier and requests.reference_time > totals.known_at
),

window_start as (
    select requests.carrier, requests.reference_time, totals.flights, totals.late_flights
    from requests
    asof left join totals
        on requests.carrier = totals.carrier and requests.reference_time - interval {{ days }} day > totals.known_at
)

select
    until_now.carrier,
    until_now.reference_time,
    coalesce(until_now.flights, 0) - coalesce(window_start.flights, 0) as carrier_flights_7d,
    coalesce(until_now.late_flights, 0) - coalesce(window_start.late_flights, 0) as carrier_late_flights_7d
from until_now
join window_start on until_now.carrier = window_start.carrier and until_now.reference_time = window_start.reference_time

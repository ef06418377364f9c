select
    flights.carrier,
    flights.flight_number,
    flights.origin,
    flights.destination,
    flights.reference_time,
    flights.arrived_at as label_time,
    flights.distance_miles,
    carrier.carrier_flights_7d,
    carrier.carrier_late_flights_7d,
    route.route_flights_7d,
    route.route_late_flights_7d,
    weather.temperature_c,
    weather.wind_speed_ms,
    weather.visibility_km,
    weather.precipitation_mm,
    planes.plane_age_years,
    flights.is_late as label
from {{ ref('stg_flights') }} as flights
left join {{ ref('feat_carrier_delay') }} as carrier
    on flights.carrier = carrier.carrier and flights.reference_time = carrier.reference_time
left join {{ ref('feat_route_delay') }} as route
    on flights.origin = route.origin and flights.destination = route.destination
    and flights.reference_time = route.reference_time
left join {{ ref('feat_origin_weather') }} as weather
    on flights.origin = weather.origin and flights.reference_time = weather.reference_time
left join {{ ref('feat_plane_age') }} as planes on flights.tail_number = planes.tail_number
where flights.is_late is not null  -- cancelled and diverted flights have no arrival, so no label

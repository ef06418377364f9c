-- The last observation at the origin before the prediction is made, in SI units.
with requests as (
    select distinct origin, reference_time from {{ ref('stg_flights') }}
)

select
    requests.origin,
    requests.reference_time,
    weather.observed_at,
    round((weather.temperature_f - 32) * 5 / 9, 1) as temperature_c,
    round(weather.wind_speed_mph * 0.44704, 1) as wind_speed_ms,
    round(weather.visibility_miles * 1.609344, 1) as visibility_km,
    round(weather.precipitation_inches * 25.4, 1) as precipitation_mm
from requests
asof left join {{ ref('stg_weather') }} as weather
    on requests.origin = weather.origin and requests.reference_time > weather.observed_at

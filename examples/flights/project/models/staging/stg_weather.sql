select
    origin,
    time_hour as observed_at,
    temp as temperature_f,
    wind_speed as wind_speed_mph,
    visib as visibility_miles,
    precip as precipitation_inches
from {{ source('raw', 'weather') }}

with scheduled as (
    select
        flights.carrier,
        flights.flight as flight_number,
        flights.tailnum as tail_number,
        flights.origin,
        flights.dest as destination,
        flights.distance as distance_miles,
        flights.dep_delay,
        flights.arr_delay,
        flights.time_hour + to_minutes(flights.minute) as scheduled_departure,
        destination.time_zone,
        to_hours(flights.sched_arr_time // 100) + to_minutes(flights.sched_arr_time % 100) as arrival_clock
    from {{ source('raw', 'flights') }} as flights
    left join {{ ref('stg_airports') }} as destination on flights.dest = destination.airport
),

-- The source has no arrival instant: it is the first moment after the scheduled departure at which
-- clocks at the destination show the scheduled arrival time, plus the delay.
same_day as (
    select
        *,
        (date_trunc('day', scheduled_departure at time zone time_zone) + arrival_clock) at time zone time_zone as arrival_same_day,
        (date_trunc('day', scheduled_departure at time zone time_zone) + to_days(1) + arrival_clock) at time zone time_zone as arrival_next_day
    from scheduled
)

select
    carrier,
    flight_number,
    tail_number,
    origin,
    destination,
    distance_miles,
    scheduled_departure,
    scheduled_departure - to_hours({{ var('lead_hours') }}) as reference_time,
    scheduled_departure + to_minutes(dep_delay) as departed_at,
    case when arrival_same_day > scheduled_departure then arrival_same_day else arrival_next_day end
        + to_minutes(arr_delay) as arrived_at,
    arr_delay > {{ var('late_minutes') }} as is_late
from same_day

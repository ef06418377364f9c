-- Age of the plane in years; unknown for the one flight in six whose plane is not in the registry.
select tail_number, 2013 - built_year as plane_age_years, seats as plane_seats
from {{ ref('stg_planes') }}

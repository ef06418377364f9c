select tailnum as tail_number, year as built_year, seats
from {{ source('raw', 'planes') }}



select «id»id, «upper_name»upper(name) as upper_name
from {{ ref('countries') }}

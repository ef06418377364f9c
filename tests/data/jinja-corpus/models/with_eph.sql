with own as (
    select *, «tripled»double * 1.5 as tripled from {{ ref('eph_over') }}
)
select id, double, more, tripled,
    «rank»row_number() over (order by id) as rank
from own

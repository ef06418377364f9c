select
    «id,customer,amount,day»{{ shared.star_of(ref('stg'), ['paid']) }},
    «extra»paid + 1 as extra
from {{ ref('stg') }}

select
  «rate»{{ per('amount') }} as rate
, «month»{{ dbt.date_trunc('month', 'day') }} as month
from {{ ref('stg') }}{{ where_clause() }}

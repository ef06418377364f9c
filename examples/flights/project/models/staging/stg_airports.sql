-- Four airports in Puerto Rico and the Virgin Islands are missing from the source; they share one time zone.
select faa as airport, name, tzone as time_zone
from {{ source('raw', 'airports') }}
where tzone is not null

union all

select missing.airport, missing.airport as name, 'America/Puerto_Rico' as time_zone
from (values ('BQN'), ('SJU'), ('STT'), ('PSE')) as missing (airport)
where missing.airport not in (select faa from {{ source('raw', 'airports') }})

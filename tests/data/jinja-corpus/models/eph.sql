{{ config(materialized='ephemeral') }}

select
    «reads_eph.id,with_eph.id»id,
    «reads_eph.double,with_eph.double»amount * 2 as double
from {{ ref('stg') }}

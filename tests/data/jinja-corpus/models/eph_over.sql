{{ config(materialized='ephemeral') }}
{% set name = 'more' %}
select *, «with_eph.more»double + 1 as {{ name }} from {{ ref('eph') }}

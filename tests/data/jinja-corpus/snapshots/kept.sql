-- two snapshots in one file

{% snapshot kept %}
    {{ config(strategy='check', unique_key='id', check_cols=['amount']) }}
    select «kept.id»id, «kept.amount»amount + 0 as amount
    from {{ ref('stg') }}
{% endsnapshot %}
{% snapshot kept_too %}{{ config(strategy='check', unique_key='id', check_cols='all') }} select «kept_too.id»id, «kept_too.cust»customer as cust from {{ ref('stg') }}{% endsnapshot %}

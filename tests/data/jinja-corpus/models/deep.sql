{{ latest(ref('stg'), 'customer') }}

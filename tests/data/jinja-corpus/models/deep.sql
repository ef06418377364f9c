«id,amount,place»{{ latest(ref('stg'), 'customer') }}

select /* 𝄞 */ «amount»{{ units('amount_cents') }} as amount, «day»ordered_at::date as day from {{ source('raw', 'orders') }}

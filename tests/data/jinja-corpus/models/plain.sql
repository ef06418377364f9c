

select
    «id»id
    , «amount»amount_cents - 1 as amount
from raw.orders

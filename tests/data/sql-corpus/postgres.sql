--# tables: public.orders(id bigint, customer_id bigint, amount numeric, discount numeric, status text, day date, tags text[], doc jsonb)
--# tables: public.customers(id bigint, name text, email text, city text, parent_id bigint)
--# tables: public.items(order_id bigint, sku text, qty int, price numeric)
--# tables: audit.log(id bigint, at timestamptz, what text)
--# tables: public.Mixed(Id bigint, id bigint, "Full Name" text)

--# name: schema-qualified
id = public.orders.id
what = audit.log.what
rows = J:public.orders.id J:audit.log.id
--
select «id»o.id, «what»l.what from public.orders o join audit.log l on l.id = o.id

--# name: default schema is found by the tail
id = public.orders.id
--
select id from orders

--# name: column with its table's full name
id = public.orders.id
--
select public.orders.id from public.orders

--# name: distinct on
customer_id = public.orders.customer_id
amount = public.orders.amount
rows = G:public.orders.customer_id S:public.orders.customer_id S:public.orders.day
--
select distinct on (customer_id) customer_id, amount from orders order by customer_id, day desc

--# name: lateral
id = public.customers.id
amount = public.orders.amount
rows = F:public.orders.customer_id F:public.customers.id S:public.orders.day
--
select c.id, o.amount from customers c
cross join lateral (select amount from orders where customer_id = c.id order by day desc limit 1) o

--# name: left join lateral on true
id = public.customers.id
n =
rows = F:public.orders.customer_id F:public.customers.id
--
select c.id, o.n from customers c left join lateral (select count(*) as n from orders where customer_id = c.id) o on true

--# name: insert returning
writes: audit.log
id = public.orders.id
what = public.orders.status
--
insert into audit.log (id, what) select id, status from orders returning id

--# name: upsert that adds to what is there
writes: public.items
order_id = public.orders.id
qty = T:public.items.qty T:public.orders.discount T:public.orders.discount
--
insert into public.items as i (order_id, qty) select id, discount::int from orders
on conflict (order_id) do update set qty = i.qty + excluded.qty

--# name: data-modifying cte
writes: audit.log
id = public.orders.id
what = public.orders.status
rows = F:public.orders.day
--
with gone as (delete from orders where day < '2020-01-01' returning id, status)
insert into audit.log (id, what) select id, status from gone

--# name: select into
writes: fresh
id = public.orders.id
--
select id into fresh from orders

--# name: create table as with no data
writes: fresh
id = public.orders.id
--
create table if not exists fresh as select id from orders with no data

--# name: materialized view
writes: mv
city = public.customers.city
n =
rows = G:public.customers.city
--
create materialized view mv as select city, count(*) as n from customers group by city

--# name: update with alias and from
writes: public.orders
status: partial
reason: update-keeps-other-values
discount = public.items.price
status =
rows = F:public.orders.id F:public.items.order_id
--
update public.orders as o set discount = i.price, status = 'x' from items i where i.order_id = o.id

--# name: update of several columns from a subquery
writes: customers
status: partial
reason: update-keeps-other-values
name = A:public.orders.status F:public.orders.customer_id F:public.customers.id
city = A:public.orders.day F:public.orders.customer_id F:public.customers.id
--
update customers set (name, city) = (select max(status), max(day)::text from orders o where o.customer_id = customers.id)

--# name: update with cte
writes: orders
status: partial
reason: update-keeps-other-values
amount = A:public.items.price
rows = G:public.items.order_id F:public.orders.id F:public.items.order_id
--
with t as (select order_id, sum(price) as total from items group by order_id)
update orders set amount = t.total from t where t.order_id = orders.id

--# name: delete using
writes: orders
status: partial
reason: statement:delete
rows = F:public.orders.customer_id F:public.customers.id F:public.customers.city
--
delete from orders using customers c where c.id = orders.customer_id and c.city = 'x'

--# name: truncate
status: unknown
reason: statement:
--
truncate table orders

--# name: recursive org chart
id = public.customers.id
root = public.customers.name
depth =
rows = F:public.customers.parent_id J:public.customers.parent_id J:public.customers.id
--
with recursive chart as (
  select id, name as root, 1 as depth from customers where parent_id is null
  union all
  select c.id, chart.root, chart.depth + 1 from customers c join chart on c.parent_id = chart.id
)
select id, root, depth from chart

--# name: recursive with two columns that swap
a = public.orders.id public.orders.customer_id
b = public.orders.customer_id public.orders.id
rows = F:public.orders.id F:public.orders.customer_id
--
with recursive r(a, b) as (
  select id, customer_id from orders
  union
  select b, a from r where a > 0
)
select a, b from r

--# name: jsonb access
sku = T:public.orders.doc
w = T:public.orders.doc
--
select doc ->> 'sku' as sku, (doc #>> '{size,w}')::int as w from orders

--# name: jsonb each
id = public.orders.id
key = T:public.orders.doc
value = T:public.orders.doc
--
select o.id, e.key, e.value from orders o, jsonb_each(o.doc) e

--# name: jsonb_to_recordset
a = T:public.orders.doc
b = T:public.orders.doc
--
select x.a, x.b from orders o, jsonb_to_recordset(o.doc) as x(a int, b text)

--# name: unnest with ordinality
tag = T:public.orders.tags
nr = T:public.orders.tags
--
select t.tag, t.nr from orders o, unnest(o.tags) with ordinality as t(tag, nr)

--# name: unnest in the select list
id = public.orders.id
tag = T:public.orders.tags
--
select id, unnest(tags) as tag from orders

--# name: generate_series
d = 
--
select d from generate_series(date '2026-01-01', date '2026-02-01', interval '1 day') as g(d)

--# name: array subquery
skus = T:public.items.sku F:public.items.order_id F:public.orders.id S:public.items.qty
--
select array(select i.sku from items i where i.order_id = o.id order by i.qty) as skus from orders o

--# name: row_to_json of a whole row
j = T:public.items.order_id T:public.items.sku T:public.items.qty T:public.items.price
--
select row_to_json(i) as j from items i

--# name: whole row of a subquery
j = T:public.items.sku
--
select row_to_json(t) as j from (select sku from items) t

--# name: json_agg of a whole row
j = A:public.items.order_id A:public.items.sku A:public.items.qty A:public.items.price
--
select json_agg(i) as j from items i

--# name: json_build_object
j = T:public.orders.id T:public.orders.amount
--
select json_build_object('id', id, 'amount', amount) as j from orders

--# name: string_agg with order
names = A:public.customers.name S:public.customers.id
rows = G:public.customers.city
--
select string_agg(name, ', ' order by id) as names from customers group by city

--# name: percentile within group
p = A:public.orders.amount
--
select percentile_cont(0.5) within group (order by amount) as p from orders

--# name: filter clause
n = F:public.orders.status
--
select count(*) filter (where status = 'x') as n from orders

--# name: using merges the column
id = T:public.orders.id T:audit.log.id
what = audit.log.what
rows = J:public.orders.id J:audit.log.id
--
select id, what from orders join audit.log using (id)

--# name: full join using
id = T:public.orders.id T:audit.log.id
rows = J:public.orders.id J:audit.log.id
--
select id from orders full join audit.log using (id)

--# name: right join
id = public.orders.id
name = public.customers.name
rows = J:public.customers.id J:public.orders.customer_id
--
select o.id, c.name from customers c right join orders o on c.id = o.customer_id

--# name: comma join
id = public.orders.id
name = public.customers.name
rows = F:public.customers.id F:public.orders.customer_id
--
select o.id, c.name from orders o, customers c where c.id = o.customer_id

--# name: self join
name = public.customers.name
boss = public.customers.name
rows = J:public.customers.parent_id J:public.customers.id
--
select c.name, p.name as boss from customers c join customers p on p.id = c.parent_id

--# name: order by ordinal and by expression
id = public.orders.id
rows = S:public.orders.id S:public.orders.amount S:public.orders.discount
--
select id from orders order by 1, amount - discount

--# name: having
city = public.customers.city
rows = G:public.customers.city F:public.customers.id
--
select city from customers group by city having count(distinct id) > 3

--# name: rollup
city = public.customers.city
total = A:public.customers.id
rows = G:public.customers.city
--
select city, sum(id) as total from customers group by rollup (city)

--# name: window over an aggregate
city = public.customers.city
rank = W:public.customers.id
rows = G:public.customers.city
--
select city, rank() over (order by sum(id) desc) as rank from customers group by city

--# name: window frame exclude
v = T:public.orders.amount W:public.orders.day
--
select first_value(amount) over (order by day groups between unbounded preceding and current row exclude ties) as v from orders

--# name: union of three with order by
x = public.orders.id public.customers.id audit.log.id
rows = S:public.orders.id S:public.customers.id S:audit.log.id
--
select id as x from orders union select id from customers union all select id from audit.log order by x

--# name: set operations in parentheses
id = public.orders.id public.customers.id
rows = F:audit.log.id
--
(select id from orders union select id from customers) except select id from audit.log

--# name: union inside a cte with a star
id = public.orders.id public.customers.id
v = public.orders.status public.customers.name
--
with u as (select id, status as v from orders union all select id, name from customers) select * from u

--# name: case-sensitive columns
a = public.Mixed.Id
b = public.Mixed.id
c = public.Mixed.Full Name
--
select "Id" as a, id as b, "Full Name" as c from "Mixed"

--# name: case-sensitive star
Id = public.Mixed.Id
id = public.Mixed.id
Full Name = public.Mixed.Full Name
--
select * from "Mixed"

--# name: cte names in quotes differ by case
x = public.orders.id
y = public.customers.id
--
with "A" as (select id from orders), a as (select id from customers) select "A".id as x, a.id as y from "A", a

--# name: a cte hides a table of the same name
id = public.customers.id
--
with orders as (select id from customers) select id from orders

--# name: a cte that reads the table it hides
id = public.orders.id
rows = F:public.orders.amount
--
with orders as (select id from public.orders where amount > 3) select id from orders

--# name: nested ctes
id = public.orders.id
rows = F:public.orders.day
--
with a as (with b as (select id from orders where day > now()) select id from b) select id from a

--# name: scalar subquery with limit
id = public.orders.id
last = audit.log.what F:audit.log.id F:public.orders.id S:audit.log.at
--
select o.id, (select what from audit.log l where l.id = o.id order by at desc limit 1) as last from orders o

--# name: subquery in case
x = T:public.orders.id F:public.customers.id F:public.orders.customer_id
--
select case when exists (select 1 from customers c where c.id = o.customer_id) then o.id + 1 end as x from orders o

--# name: in a value list
id = public.orders.id
rows = F:public.orders.status
--
select id from orders where status in ('a', 'b')

--# name: any of an array
id = public.orders.id
rows = F:public.orders.status F:public.orders.tags
--
select id from orders where status = any(tags)

--# name: date arithmetic and cast
d = T:public.orders.day
s = T:public.orders.amount
--
select date_trunc('month', day) + interval '1 month' as d, amount::text as s from orders

--# name: greatest and least
m = T:public.orders.amount T:public.orders.discount
--
select greatest(amount, discount, 0) as m from orders

--# name: masking
h = T:public.customers.email!
s = T:public.customers.email!
--
select md5(email) as h, encode(sha256(email::bytea), 'hex') as s from customers

--# name: table statement
id = audit.log.id
at = audit.log.at
what = audit.log.what
--
table audit.log

--# name: sql function
status: partial
reason: routine
total = A:public.orders.amount
rows = F:public.orders.customer_id
--
create function total_of(c bigint) returns numeric language sql as $$
  select sum(amount) as total from orders where customer_id = c
$$

--# name: plpgsql procedure
writes: audit.log
status: partial
reason: routine
id = public.orders.id
what = public.orders.status
rows = F:public.orders.day
--
create procedure archive(before date) language plpgsql as $$
declare
  n int;
begin
  if before is null then
    raise exception 'no date';
  end if;
  insert into audit.log (id, what) select id, status from orders where day < before;
  delete from orders where day < before;
  commit;
end;
$$

--# name: temp table, then insert, in one script
writes: audit.log
id = public.orders.id
what = T:public.orders.status
rows = F:public.orders.day
--
create temporary table late on commit drop as select id, status from orders where day < now();
insert into audit.log (id, what) select id, 'late ' || status from late;

--# name: temp table filled by insert
writes: audit.log
id = public.orders.id public.customers.id
--
create temp table s (id bigint);
insert into s select id from orders;
insert into s select id from customers;
insert into audit.log (id) select id from s

--# name: copy a query out
writes: out.csv
id = public.orders.id
--
copy (select id from orders) to 'out.csv' with csv

--# name: explain runs nothing
status: unknown
reason: statement:
--
explain select id from orders

--# name: values as a table
a =
b = public.orders.status
rows = J:public.orders.id
--
select v.a, o.status as b from orders o join (values (1, 2)) as v(a, k) on v.k = o.id

--# name: overlay of comments
id = public.orders.id
--
select /* the key */ «id»id -- of the order
from orders -- all of them

--# name: unresolved column of a known table
status: partial
reason: unresolved-column:nothing
x = public.orders.nothing
--
select o.nothing as x from orders o

--# name: bool expression
late = T:public.orders.day T:public.orders.status
--
select (day < now() and status <> 'done') as late from orders

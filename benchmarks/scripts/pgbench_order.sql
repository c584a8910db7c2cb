\set product random(0, :products - 1)
begin;
update bench_stock set reserved = reserved + 1 where product_id = :product and on_hand - reserved >= 1;
insert into bench_orders (product_id, quantity) values (:product, 1);
insert into bench_outbox (body) values ('an order was accepted');
commit;

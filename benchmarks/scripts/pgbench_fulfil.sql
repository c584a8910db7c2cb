\set turn :turn + 1
\set order :turn * :clients + :client_id
\set product random(0, :products - 1)
\set vendor random(0, 2)
begin;
update bench_stock set on_hand = on_hand - 1, reserved = reserved - 1 where product_id = :product;
update bench_vendor_stock set available = available - 1 where product_id = :product and vendor_id = :vendor;
insert into bench_allocations (order_id, product_id, vendor_id, quantity) values (:order, :product, :vendor, 1);
update bench_orders set status = 'fulfilled' where id = :order;
commit;

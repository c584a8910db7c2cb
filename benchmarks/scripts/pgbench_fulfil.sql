\set turn :turn + 1
\set order :turn * :clients + :client_id
\set product random(0, :products - 1)
\set vendor random(0, 2)
BEGIN;
UPDATE bench_stock SET on_hand = on_hand - 1, reserved = reserved - 1 WHERE product_id = :product;
UPDATE bench_vendor_stock SET available = available - 1
    WHERE product_id = :product AND vendor_id = :vendor;
INSERT INTO bench_allocations (order_id, product_id, vendor_id, quantity)
    VALUES (:order, :product, :vendor, 1);
UPDATE bench_orders SET status = 'fulfilled' WHERE id = :order;
COMMIT;

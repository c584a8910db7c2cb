\set product random(0, :products - 1)
BEGIN;
UPDATE bench_stock SET reserved = reserved + 1
    WHERE product_id = :product AND on_hand - reserved >= 1;
INSERT INTO bench_orders (product_id, quantity) VALUES (:product, 1);
INSERT INTO bench_outbox (body) VALUES ('an order was accepted');
COMMIT;

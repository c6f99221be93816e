-- Indexes, triggers and views; apart from the tables, so that a first load fills plain tables.
CREATE INDEX addresses_by_customer ON shop.addresses (customer_id);
CREATE INDEX categories_by_parent ON shop.categories (parent_id, position, id);
CREATE INDEX products_by_category ON shop.products (category_id, id);
CREATE INDEX products_by_price ON shop.products (price, id);
CREATE INDEX products_by_age ON shop.products (created_at DESC, id DESC);
CREATE INDEX products_by_tag ON shop.products USING gin (tags);
CREATE INDEX products_by_word ON shop.products USING gin (search);
CREATE INDEX products_by_attribute ON shop.products USING gin (attributes jsonb_path_ops);
CREATE INDEX orders_by_customer ON shop.orders (customer_id, id);
CREATE INDEX orders_by_age ON shop.orders (placed_at DESC, id DESC);
CREATE INDEX orders_open ON shop.orders (placed_at, id) WHERE status IN ('pending', 'paid', 'packed');
CREATE INDEX orders_by_billing_address ON shop.orders (billing_address_id);
CREATE INDEX orders_by_shipping_address ON shop.orders (shipping_address_id);
CREATE INDEX order_lines_by_product ON shop.order_lines (product_id, order_id);
CREATE INDEX reviews_by_customer ON shop.reviews (customer_id);
CREATE INDEX promotions_by_time ON shop.promotions USING gist (during);
CREATE INDEX posts_by_age ON blog.posts (published_at DESC, id DESC);
CREATE INDEX posts_by_author ON blog.posts (author_id, id);
CREATE INDEX posts_by_tag ON blog.posts USING gin (tags);
CREATE INDEX comments_by_post ON blog.comments (post_id, id);
CREATE INDEX comments_by_parent ON blog.comments (parent_id);
CREATE INDEX post_products_by_product ON blog.post_products (product_id);

CREATE TRIGGER touch BEFORE UPDATE ON shop.customers FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TRIGGER touch BEFORE UPDATE ON shop.products FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TRIGGER touch BEFORE UPDATE ON shop.orders FOR EACH ROW EXECUTE FUNCTION shop.touch();
CREATE TRIGGER touch BEFORE UPDATE ON blog.posts FOR EACH ROW EXECUTE FUNCTION shop.touch();

CREATE VIEW shop.product_ratings AS
  SELECT product_id, count(*)::integer AS reviews, round(avg(rating), 2) AS average
  FROM shop.reviews GROUP BY product_id;
COMMENT ON VIEW shop.product_ratings IS 'How a product is rated, over all its reviews';
COMMENT ON COLUMN shop.product_ratings.average IS 'The mean of the ratings, two decimals';

CREATE MATERIALIZED VIEW shop.daily_sales AS
  SELECT (placed_at AT TIME ZONE 'UTC')::date AS day, count(*)::integer AS orders, sum(total) AS revenue
  FROM shop.orders WHERE status NOT IN ('cancelled', 'returned') GROUP BY 1
  WITH DATA;
CREATE UNIQUE INDEX daily_sales_day ON shop.daily_sales (day);
COMMENT ON MATERIALIZED VIEW shop.daily_sales IS 'Orders and revenue a day (UTC), without what was cancelled or returned';

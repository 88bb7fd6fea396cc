"""Send a product to Hangtag."""

import json

from kafka import KafkaProducer

product = {
    "product_id": "sku-1",
    "version": 1,
    "title": "Red wool scarf",
    "description": "Hand-knitted, 180 cm",
    "merchant_category": "Accessories",
    "language": "en",
}
event = {"type": "CREATED", "product": product}
with KafkaProducer(bootstrap_servers="127.0.0.1:9092") as producer:
    producer.send("products.events", key=b"sku-1", value=json.dumps(event).encode()).get(timeout=10)

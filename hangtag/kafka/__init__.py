"""What all Kafka clients of Hangtag share."""

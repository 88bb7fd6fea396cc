"""What every Kafka client of Hangtag shares."""

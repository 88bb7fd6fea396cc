"""What every Kafka client of ours shares."""

"""What accounts use: counters by day that never fall, and the quotas that are checked by them."""

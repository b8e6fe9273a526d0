"""What talks to Redis (or Valkey): connections that mend themselves, and scripts. It knows no topics."""

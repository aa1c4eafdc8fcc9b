"""One module a protocol: how a referral is handed over and how its status comes back."""

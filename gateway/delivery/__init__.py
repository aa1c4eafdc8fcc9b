"""From a stored referral to the organisation that answers for it, and its status back."""

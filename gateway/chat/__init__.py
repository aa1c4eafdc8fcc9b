"""Web chat: what is said in a conversation, and how a request comes of it.

api/chat ──▶ service.Chat ──▶ talk (pure: what the door says next) ──▶ store/conversations (one transaction)
                 │                                                            │
                 └──▶ intake.accept, under the conversation's own key        hub ──▶ everyone who listens
"""

"""The Realtime speech-to-speech model at the far end of a WebSocket; its event names stay in here."""

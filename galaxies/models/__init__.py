"""The models: each fits, predicts, saves and loads; the registry names them all."""

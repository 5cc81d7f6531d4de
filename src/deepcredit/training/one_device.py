"""Lightning's strategy for one device, which leaves what it trained where it is."""

from deepcredit.training import lightning as pl


class OneDevice(pl.SingleDeviceStrategy):
    """Trains on the device that it is given."""

    def teardown(self) -> None:
        """As Lightning's, but for its copies of weights and moments to the host: nobody reads them."""
        module, self._lightning_module, self.optimizers = self._lightning_module, None, []
        super().teardown()
        self._lightning_module = module

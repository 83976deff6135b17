"""What the page is opened with."""

import dataclasses
import ipaddress


@dataclasses.dataclass(frozen=True)
class Settings:
    """The choices of the command line.

    Attributes:
        name: Name of the first preset, or of the model on the server.
        weights: Its weights; None for the first that are listed.
        server: Address of a server, whose models are used; None uses models of this
            machine.
        label: Label of the version on the server; None uses the newest.
        runs: Path of the folder of runs that the page follows. None uses "runs", or no
            folder where other machines reach the page: grids may show training images.
        host: Name or address of the interface that the page is served on.
        share: Boolean, whether a public link is made.
    """

    name: str
    weights: str | None = None
    server: str | None = None
    label: str | None = "stable"
    runs: str | None = None
    host: str = "127.0.0.1"
    share: bool = False

    @property
    def followed(self) -> str | None:
        """Path of the folder of runs that the page shows; None for none."""
        return self.runs or (None if self.is_open else "runs")

    @property
    def is_open(self) -> bool:
        """Whether other machines reach the page.

        Their users then choose from lists alone: they type no paths and no addresses.
        They see no images of data that others do not have.
        """
        if self.share:
            return True
        if self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True

"""Several processes of one program: started, started again when one dies, stopped together, shown on one page."""

from hangtag.processes.child import Child, Run
from hangtag.processes.pages import Pages, Ports
from hangtag.processes.parent import Parent
from hangtag.processes.stop_signals import StopSignals, stop_signals
from hangtag.processes.supervisor import Supervisor

__all__ = ["Child", "Pages", "Parent", "Ports", "Run", "StopSignals", "Supervisor", "stop_signals"]

"""A stack to plan for: a dear generalist, a specialist of each of two domains."""

from lab.planning.fleet import Machine
from lab.planning.measurements import ANY, Measurements, Work

LARGE = Machine("large", None, per_hour=4.0, cpus=2, gpus=1)
SQL = Machine("sql", "sql", per_hour=1.0, cpus=1, gpus=0.5)
TOOLS = Machine("tools", "tools", per_hour=1.0, cpus=1, gpus=0.5)
MACHINES = (LARGE, SQL, TOOLS)
WORK = {
    (ANY, "large"): Work(10, 20.0, 1000),  # 2 s, 100 tokens
    (ANY, "sql"): Work(10, 5.0, 200),  # 0.5 s, 20 tokens
    (ANY, "tools"): Work(10, 10.0, 300),
}
MEASURED = Measurements({("sql", "sql"): 30, ("general", "large"): 70}, WORK, ("a test",))

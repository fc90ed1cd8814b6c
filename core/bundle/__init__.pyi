from .archive import bundle as bundle
from .exhibits import Exhibit as Exhibit
from .limits import MAX_PACKED as MAX_PACKED
from .limits import MOST_PASSES as MOST_PASSES
from .unpacking import array as array
from .verification import verify as verify
